// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IParticipantRegistry} from "./IParticipantRegistry.sol";

/// @title Participant registry: membership and stakes
contract ParticipantRegistry is IParticipantRegistry {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @dev One slot. `withdrawableAt` is 0 unless the account has left and not withdrawn yet.
    struct Membership {
        uint128 stakeWei;
        uint64 withdrawableAt;
        bool active;
    }

    IERC20 private immutable _token;
    uint256 private immutable _minimumStakeWei;
    uint64 private immutable _unbondingSeconds;

    mapping(address account => Membership) private _memberships;

    /// @param token_ The token that is staked.
    /// @param minimumStakeWei_ Least stake of a participant; 0 lets anybody in.
    /// @param unbondingSeconds_ How long a stake stays after its owner has left.
    constructor(IERC20 token_, uint256 minimumStakeWei_, uint64 unbondingSeconds_) {
        _token = token_;
        _minimumStakeWei = minimumStakeWei_;
        _unbondingSeconds = unbondingSeconds_;
    }

    /// @inheritdoc IParticipantRegistry
    function register(uint256 stakeWei) external {
        _register(msg.sender, stakeWei);
        _token.safeTransferFrom(msg.sender, address(this), stakeWei);
    }

    /// @inheritdoc IParticipantRegistry
    function registerFor(address[] calldata accounts, uint256 stakeWeiEach) external {
        for (uint256 i = 0; i < accounts.length; ++i) {
            _register(accounts[i], stakeWeiEach);
        }
        _token.safeTransferFrom(msg.sender, address(this), stakeWeiEach * accounts.length);
    }

    /// @inheritdoc IParticipantRegistry
    function deregister() external {
        Membership storage member = _memberships[msg.sender];
        if (!member.active) revert NotParticipant(msg.sender);

        member.active = false;
        member.withdrawableAt = uint64(block.timestamp) + _unbondingSeconds;
        emit ParticipantLeft(msg.sender, member.withdrawableAt);
    }

    /// @inheritdoc IParticipantRegistry
    function withdrawStake() external {
        Membership memory member = _memberships[msg.sender];
        if (member.withdrawableAt == 0) revert NotParticipant(msg.sender);
        if (block.timestamp < member.withdrawableAt) revert StillUnbonding(msg.sender, member.withdrawableAt);

        delete _memberships[msg.sender];
        emit StakeWithdrawn(msg.sender, member.stakeWei);
        _token.safeTransfer(msg.sender, member.stakeWei);
    }

    /// @inheritdoc IParticipantRegistry
    function isParticipant(address account) external view returns (bool) {
        return _memberships[account].active;
    }

    /// @inheritdoc IParticipantRegistry
    function stakeOf(address account) external view returns (uint256) {
        return _memberships[account].stakeWei;
    }

    /// @inheritdoc IParticipantRegistry
    function withdrawableAt(address account) external view returns (uint64) {
        return _memberships[account].withdrawableAt;
    }

    /// @inheritdoc IParticipantRegistry
    function token() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IParticipantRegistry
    function minimumStakeWei() external view returns (uint256) {
        return _minimumStakeWei;
    }

    /// @inheritdoc IParticipantRegistry
    function unbondingSeconds() external view returns (uint64) {
        return _unbondingSeconds;
    }

    function _register(address account, uint256 addedWei) private {
        Membership storage member = _memberships[account];
        if (member.withdrawableAt != 0) revert StillUnbonding(account, member.withdrawableAt);
        uint256 stakeWei = member.stakeWei + addedWei;
        if (stakeWei < _minimumStakeWei) revert StakeTooLow(account, stakeWei, _minimumStakeWei);

        member.stakeWei = stakeWei.toUint128();
        member.active = true;
        emit ParticipantRegistered(account, msg.sender, addedWei, stakeWei);
    }
}
